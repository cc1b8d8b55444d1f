//! Preview 1 over a guest that is a vector of bytes, and directories that are real.

mod faults;
mod files;
mod listing;
mod names;
mod polling;
mod process;
mod race;
mod rights;
mod sandbox;
mod streams;
mod support;
