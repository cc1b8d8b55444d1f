//! What host imports may do while a snapshot is made.

/// Which imports can be called at build time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ImportPolicy {
    /// None. What the host would answer then is part of no snapshot.
    #[default]
    Deny,
    /// Those that are named, by module or by `module/name`.
    Allow(Vec<String>),
    /// All that the host defines, for finding out which are called.
    Record,
}

impl ImportPolicy {
    /// Whether this import may be called.
    pub fn allows(&self, module: &str, name: &str) -> bool {
        match self {
            ImportPolicy::Deny => false,
            ImportPolicy::Allow(names) => names.iter().any(|pattern| matches(pattern, module, name)),
            ImportPolicy::Record => true,
        }
    }
}

/// Whether a pattern is the module, or the module, a slash and the name. Either may contain slashes itself.
fn matches(pattern: &str, module: &str, name: &str) -> bool {
    pattern.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.strip_prefix('/') == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_module_or_one_import_of_it() {
        let policy = ImportPolicy::Allow(vec!["math".into(), "log/debug".into(), "wasi:io/streams".into()]);
        let allowed = [("math", "sin"), ("math", ""), ("log", "debug"), ("wasi:io/streams", "drop")];
        let denied = [("log", "error"), ("mat", "h/sin"), ("maths", "sin"), ("log", "debug2"), ("wasi:io", "poll")];
        assert!(allowed.iter().all(|(module, name)| policy.allows(module, name)));
        assert!(denied.iter().all(|(module, name)| !policy.allows(module, name)));
    }

    #[test]
    fn nothing_is_allowed_unless_said_so() {
        assert!(!ImportPolicy::default().allows("math", "sin"));
        assert!(!ImportPolicy::Allow(vec![]).allows("math", "sin"));
        assert!(!ImportPolicy::Allow(vec![String::new()]).allows("math", "sin"));
        assert!(ImportPolicy::Record.allows("math", "sin"));
    }
}
