"""Two answers to one request held beside each other, while their texts are at hand."""
