"""New photographs, segmented by the trained networks: found or waited for, and masks, overlays and a table of them."""
