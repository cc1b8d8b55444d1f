//! Runs instances of images: enters and leaves guest code, catches its traps, serves its built-ins,
//! calls host functions for it.

mod machine;
