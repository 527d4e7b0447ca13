//! Exactly moving, growing, turning storms: known answers for tests, benches and demonstrations.
