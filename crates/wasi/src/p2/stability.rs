//! What the answers of WASI 0.2 depend on: whether a snapshot may contain them.

use crate::p1::DependsOn;

/// What decides how a function of an interface answers, besides what the guest did before. The interface is named in full, with
/// its version or without; what is not known counts as the moment.
///
/// ```
/// use hatchery_wasi::p1::DependsOn;
/// use hatchery_wasi::p2::depends_on;
///
/// assert_eq!(depends_on("wasi:cli/stdout@0.2.6", "get-stdout"), DependsOn::Guest);
/// assert_eq!(depends_on("wasi:clocks/wall-clock@0.2.6", "now"), DependsOn::Moment);
/// ```
pub fn depends_on(interface: &str, name: &str) -> DependsOn {
    let interface = interface.split_once('@').map_or(interface, |(path, _)| path);
    match interface {
        "wasi:io/error" | "wasi:cli/exit" | "wasi:cli/stdout" | "wasi:cli/stderr" => DependsOn::Guest,
        // What is written goes where it is asked to; what is read comes from outside.
        "wasi:io/streams" if name.starts_with("[method]output-stream.") && !name.ends_with("splice") => {
            DependsOn::Guest
        }
        "wasi:io/streams"
        | "wasi:io/poll"
        | "wasi:cli/environment"
        | "wasi:cli/stdin"
        | "wasi:cli/terminal-input"
        | "wasi:cli/terminal-output"
        | "wasi:cli/terminal-stdin"
        | "wasi:cli/terminal-stdout"
        | "wasi:cli/terminal-stderr"
        | "wasi:filesystem/preopens"
        | "wasi:filesystem/types" => DependsOn::Deployment,
        interface if interface.starts_with("wasi:sockets/") => DependsOn::Deployment,
        _ => DependsOn::Moment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_known_in_every_version() {
        for version in ["", "@0.2.0", "@0.2.12"] {
            let of = |path: &str, name| depends_on(&format!("{path}{version}"), name);
            assert_eq!(of("wasi:cli/exit", "exit"), DependsOn::Guest);
            assert_eq!(of("wasi:io/streams", "[method]output-stream.blocking-write-and-flush"), DependsOn::Guest);
            assert_eq!(of("wasi:io/streams", "[method]output-stream.blocking-splice"), DependsOn::Deployment);
            assert_eq!(of("wasi:io/streams", "[method]input-stream.read"), DependsOn::Deployment);
            assert_eq!(of("wasi:sockets/tcp", "[method]tcp-socket.start-connect"), DependsOn::Deployment);
            assert_eq!(of("wasi:random/insecure-seed", "insecure-seed"), DependsOn::Moment);
            assert_eq!(of("wasi:clocks/monotonic-clock", "subscribe-duration"), DependsOn::Moment);
        }
    }

    #[test]
    fn what_is_not_known_is_not_trusted() {
        assert_eq!(depends_on("wasi:cli/stdout-v2", "get-stdout"), DependsOn::Moment);
        assert_eq!(depends_on("wasi:http/outgoing-handler@0.2.6", "handle"), DependsOn::Moment);
        assert_eq!(depends_on("", ""), DependsOn::Moment);
    }
}
