"""What evaluate is made of: systems side by side, what each section needs, the pages."""
