//! Tests of the machine, on hand-assembled code.
