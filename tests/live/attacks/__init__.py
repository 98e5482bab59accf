"""One user attacks for as long as the test watches, and another one finds everything as usual."""
