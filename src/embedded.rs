//! The configuration that was built in: version 0, in force until another is applied.
//!
//! `build.rs` read and checked `monitoring/`, so these texts always parse; one compact JSON per environment (~7 KB).

use crate::config::site::Environment;

/// The compact JSON of `environment`'s configuration as of the build.
pub fn config_json(environment: Environment) -> &'static str {
    match environment {
        Environment::Dev => include_str!(concat!(env!("OUT_DIR"), "/dev.json")),
        Environment::Staging => include_str!(concat!(env!("OUT_DIR"), "/staging.json")),
        Environment::Production => include_str!(concat!(env!("OUT_DIR"), "/production.json")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_was_built_in_is_what_the_folder_holds_and_parses_in_the_worker() {
        for environment in Environment::ALL {
            let embedded = Config::from_text(config_json(environment)).unwrap();
            assert_eq!(embedded.site.environment, environment);
            assert_eq!(embedded.to_json(), config_json(environment));
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring");
            assert_eq!(crate::config::read::folder(&folder, environment).unwrap(), embedded);
        }
    }
}
