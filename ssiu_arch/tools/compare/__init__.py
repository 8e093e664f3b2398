"""``ssiu compare``: crops of several results side by side with their scores, drawn with Pillow."""
