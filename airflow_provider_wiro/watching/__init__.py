"""Following many Wiro tasks at once, by polling and by push."""
