"""The paper's question, measured: how many epochs each optimizer takes, tuned with the same budget."""
