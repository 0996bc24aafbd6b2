"""The paper's experiments on data of one's own: every arm over several seeds, tables, figures."""
