"""What each verb of the ``ssiu`` command does: one room a verb, of the same name."""
