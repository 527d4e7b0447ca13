//! nowcast
