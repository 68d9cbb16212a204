"""Tools of this checkout; the installed library holds none of them."""
