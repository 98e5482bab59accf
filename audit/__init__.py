"""Who did what, to which job, from where, with which outcome: a book in which nothing is changed."""
