"""Progress or regress? Of anybody's generations, one file or folder a checkpoint in order."""
