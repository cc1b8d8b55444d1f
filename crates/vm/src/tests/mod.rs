//! Tests of the instance half, on images put together by hand.

mod builtins;
mod host;
mod image;
mod interrupts;
mod life;
mod measure;
mod suspension;
