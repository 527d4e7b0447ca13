//! Directories of frames: what is complete, what is missing, and what the archive says of it.
