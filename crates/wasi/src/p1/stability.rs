//! What the answers of preview 1 depend on: whether a snapshot may contain them.

/// What decides how a function answers, besides what the guest did before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DependsOn {
    /// Nothing.
    Guest,
    /// What the guest is run with: arguments, environment, directories, standard input, what its standard streams are.
    Deployment,
    /// When it is run: clocks and entropy.
    Moment,
}

/// What decides how the function of preview 1 with this name answers. What is not known counts as the moment.
pub fn depends_on(name: &str) -> DependsOn {
    match name {
        "fd_advise"
        | "fd_allocate"
        | "fd_close"
        | "fd_datasync"
        | "fd_fdstat_set_flags"
        | "fd_fdstat_set_rights"
        | "fd_filestat_set_size"
        | "fd_filestat_set_times"
        | "fd_pwrite"
        | "fd_renumber"
        | "fd_seek"
        | "fd_sync"
        | "fd_tell"
        | "fd_write"
        | "proc_exit"
        | "proc_raise"
        | "sched_yield"
        | "sock_accept"
        | "sock_recv"
        | "sock_send"
        | "sock_shutdown" => DependsOn::Guest,
        "args_get"
        | "args_sizes_get"
        | "environ_get"
        | "environ_sizes_get"
        | "fd_fdstat_get"
        | "fd_filestat_get"
        | "fd_pread"
        | "fd_prestat_dir_name"
        | "fd_prestat_get"
        | "fd_read"
        | "fd_readdir"
        | "poll_oneoff" => DependsOn::Deployment,
        path if path.starts_with("path_") => DependsOn::Deployment,
        _ => DependsOn::Moment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clocks_and_entropy_depend_on_the_moment() {
        let of_the_moment: Vec<_> =
            super::super::link::NAMES.iter().filter(|name| depends_on(name) == DependsOn::Moment).collect();
        assert_eq!(of_the_moment, [&"clock_res_get", &"clock_time_get", &"random_get"]);
    }

    #[test]
    fn what_is_not_known_is_not_trusted() {
        assert_eq!(depends_on("fd_write_v2"), DependsOn::Moment);
        assert_eq!(depends_on("proc_exit"), DependsOn::Guest);
    }
}
