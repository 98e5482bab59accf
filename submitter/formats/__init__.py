"""How the operators' pages write times, by language (Django's FORMAT_MODULE_PATH)."""
