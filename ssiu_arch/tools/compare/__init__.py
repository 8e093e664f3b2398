"""Pictures for papers: panels with labels on a white page, drawn by Pillow alone."""
