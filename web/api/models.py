"""Tables of the API: clients and their keys."""
