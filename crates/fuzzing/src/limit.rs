//! Which errors say no more than that a limit is reached.

use hatchery::{Error, ErrorKind};

/// What stands in the errors of a compilation that are about what a module contains, not about how much.
const REFUSED: [&str; 2] = ["invalid WebAssembly", "proposal is not supported"];

fn is_limit(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Exhausted | ErrorKind::Limit => true,
        ErrorKind::Compile => !REFUSED.iter().any(|refused| error.to_string().contains(refused)),
        _ => false,
    }
}

/// A result unless it is the error of a limit.
///
/// # Panics
///
/// When it is another error: what is valid was refused.
pub(crate) fn fitting<R>(result: Result<R, Error>) -> Option<R> {
    match result {
        Ok(result) => Some(result),
        Err(error) => {
            assert!(is_limit(&error), "{error:?}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hatchery::{Allocation, Config, Engine, Module, Pooling};

    fn refused(config: &Config, text: &str) -> Error {
        Module::new(&Engine::new(config).expect("a possible configuration"), text).expect_err("it is refused")
    }

    #[test]
    fn a_module_that_is_refused_for_what_it_contains_exceeds_no_limit() {
        assert!(!is_limit(&refused(&Config::new(), "(module (func (result i32)))")));
        assert!(!is_limit(&refused(&Config::new(), "(module (type (struct (field i32))))")), "not supported");
    }

    #[test]
    fn a_module_that_is_too_large_exceeds_one() {
        assert!(is_limit(&refused(&Config::new().max_functions(1), "(module (func) (func))")));
        let small = Config::new().allocation(Allocation::Pooling(Pooling::new(1).slot_bytes(4 << 20)));
        assert!(is_limit(&refused(&small, "(module (memory 1000))")));
    }
}
