//! `wasi:sockets`: TCP, UDP and name look-up, as far as the embedder allows.

pub(crate) mod address;
pub(crate) mod lookup;
pub(crate) mod options;
pub(crate) mod tcp;
pub(crate) mod udp;

pub(crate) use address::{AddressFamily, ErrorCode};
