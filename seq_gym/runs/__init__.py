"""What evaluate and train share: the data of a run, its environment, its folder, its record."""
