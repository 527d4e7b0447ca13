//! hindcast
