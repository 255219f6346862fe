//! Who may: the presented token against the bootstrap secret and the stored tokens.

use worker::Env;

use super::bindings;
use super::d1::D1;
use crate::time::UnixMs;
use crate::web::auth::{self, Principal, Role};
use crate::web::problem::Problem;

/// The principal of a request, or why it is refused.
pub(super) async fn authorize(request: &web_sys::Request, env: &Env, needed: Role, now: UnixMs) -> Result<Principal, Problem> {
    let header = request.headers().get("authorization").ok().flatten();
    let db = D1::bound(env).map_err(|_| Problem::unavailable("The database that knows the tokens"))?;
    auth::authorize(&db, header.as_deref(), bindings::text(env, "BOOTSTRAP_TOKEN").as_deref(), now, needed).await
}
