"""RNA-seq: expression, its quality, single-sample signatures and the intrinsic subtype."""
