//! The `spectest` module that scripts import: a module like any other, whose functions come from the
//! host.

use std::sync::{Arc, OnceLock};

/// Name under which scripts import it.
pub(crate) const NAME: &str = "spectest";

/// Module name of the functions that it imports from the host.
pub(crate) const HOST: &str = "spectest_host";

const TEXT: &str = r#"
(module
  (func (export "print") (import "spectest_host" "print"))
  (func (export "print_i32") (import "spectest_host" "print_i32") (param i32))
  (func (export "print_i64") (import "spectest_host" "print_i64") (param i64))
  (func (export "print_f32") (import "spectest_host" "print_f32") (param f32))
  (func (export "print_f64") (import "spectest_host" "print_f64") (param f64))
  (func (export "print_i32_f32") (import "spectest_host" "print_i32_f32") (param i32 f32))
  (func (export "print_f64_f64") (import "spectest_host" "print_f64_f64") (param f64 f64))
  (global (export "global_i32") i32 (i32.const 666))
  (global (export "global_i64") i64 (i64.const 666))
  (global (export "global_f32") f32 (f32.const 666.6))
  (global (export "global_f64") f64 (f64.const 666.6))
  (table (export "table") 10 20 funcref)
  (table (export "table64") i64 10 20 funcref)
  (memory (export "memory") 1 2))
"#;

/// The module's binary.
pub(crate) fn binary() -> Arc<[u8]> {
    static BINARY: OnceLock<Arc<[u8]>> = OnceLock::new();
    BINARY.get_or_init(|| wat::parse_str(TEXT).expect("the text above is valid").into()).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_its_imports_are_the_hosts() {
        let imports = crate::effects::imported_modules(&binary());
        assert_eq!(imports.into_iter().collect::<Vec<_>>(), [HOST]);
    }
}
