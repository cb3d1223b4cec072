"""Run folders -> a report of blocks -> HTML, Markdown and JSON. The same runs give the same bytes.

`runs` reads; `scores`, `training`, `synthesis`, `questions`, `comparison` and `provenance` turn what was read into
blocks; `page`, `markdown` and `plots` render them. What a model said is text here: it is escaped wherever it is shown.
"""
