"""The papers' metrics: one pure function each, from the outcomes and texts of one problem to a number or undefined."""
