"""What the commands do, without their arguments. No PySide6 here."""
