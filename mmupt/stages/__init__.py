"""The verbs: config in, run folder out. Stages wire the rooms together and do no maths; they are light to import."""
