//! Semi-Lagrangian transport.
