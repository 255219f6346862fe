//! What people and programs are shown: handlers without a runtime type, view models apart from markup.

pub mod alertmanager;
pub mod alerts;
pub mod auth;
pub mod config;
pub mod deliveries;
pub mod deploys;
pub mod endpoint;
pub mod explain;
pub mod exposition;
pub mod health;
pub mod incidents;
pub mod ingest;
pub mod link;
pub mod problem;
pub mod realtime;
pub mod reports;
pub mod respond;
pub mod silences;
pub mod slack_actions;
pub mod tokens;
