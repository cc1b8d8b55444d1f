//! Linking: from validated modules to one resolved model of the whole set.

pub(crate) mod model;

pub(crate) use model::*;
