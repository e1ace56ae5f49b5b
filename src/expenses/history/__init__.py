"""Reading the record of changes (`audit`): who changed what, before and after."""
