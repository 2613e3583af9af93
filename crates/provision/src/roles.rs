//! The database roles: `projector` writes the read models, `query` reads them, `notifier` reads them and writes what it
//! has told, `operator` reads all for people.

use sqlx::{Connection, PgConnection, raw_sql};

use crate::Error;

/// The passwords to set for the roles.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RolePasswords {
    /// The role that owns the read models.
    pub projector: String,
    /// The role that may only select the served tables.
    pub query: String,
    /// The role that owns what was told to users; files of former versions lack it.
    #[serde(default = "password")]
    pub notifier: String,
    /// The operators; files of former versions lack it.
    #[serde(default = "password")]
    pub operator: String,
}

impl RolePasswords {
    /// Fresh random passwords.
    pub fn random() -> Self {
        Self { projector: password(), query: password(), notifier: password(), operator: password() }
    }
}

impl std::fmt::Debug for RolePasswords {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RolePasswords").finish_non_exhaustive()
    }
}

fn password() -> String {
    crate::secret::hex(&crate::secret::random_bytes::<16>())
}

/// Creates the roles, or updates them to this version, in the database of `superuser_url`.
pub async fn provision(superuser_url: &str, passwords: &RolePasswords) -> Result<(), Error> {
    let mut connection = PgConnection::connect(superuser_url).await?;
    let mut transaction = connection.begin().await?;
    // Two concurrent provisioning jobs would both find a role missing.
    sqlx::query("select pg_advisory_xact_lock(hashtext('boxroom provisioning'))").execute(&mut *transaction).await?;
    raw_sql(include_str!("roles.sql")).execute(&mut *transaction).await?;
    let RolePasswords { projector, query, notifier, operator } = passwords;
    let all = [("projector", projector), ("query", query), ("notifier", notifier), ("operator", operator)];
    for (role, password) in all {
        set_password(&mut transaction, role, password).await?;
    }
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}

/// Sets a role's password. `alter role` takes no parameters, so the value is passed in a setting of the transaction and
/// quoted by the server.
async fn set_password(connection: &mut PgConnection, role: &str, password: &str) -> Result<(), Error> {
    sqlx::query("select set_config('boxroom.role', $1, true), set_config('boxroom.password', $2, true)")
        .bind(role)
        .bind(password)
        .execute(&mut *connection)
        .await?;
    raw_sql(
        "do $$ begin
           execute format('alter role %I password %L', current_setting('boxroom.role'), \
           current_setting('boxroom.password'));
         end $$",
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}
