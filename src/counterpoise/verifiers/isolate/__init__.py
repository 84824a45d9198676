"""Workers that may hang, die or eat the memory at no cost to others, and whose fault it was."""
