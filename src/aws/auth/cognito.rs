//! Cognito: a user pool's password login, then credentials of the identity pool.
//!
//! The instance id is the user name. A login leaves a refresh token, which serves the next ones; where it is refused, the
//! password serves again. The identity's own id never changes and is asked once.
pub(in crate::aws) mod service;

use super::{SignInError, Source};
use crate::{
    aws::{
        base::Base,
        by_hand,
        errors::{Cause, read},
    },
    config::{
        login_files,
        settings::{self, PASSWORD_VARIABLE, Password},
    },
};
use aws_credential_types::Credentials;
use aws_types::{os_shim_internal::Env, region::Region};
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use service::{IDENTITIES, Members, POOLS, Service};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::sync::OnceCell;

const POOL: &str = "the Cognito user pool";
const IDENTITY: &str = "the Cognito identity pool";

pub(in crate::aws) struct Cognito {
    settings: settings::Cognito,
    user: String,
    env: Env,
    base: Arc<Base>,
    clients: OnceCell<Clients>,
    kept: Mutex<Kept>,
}

struct Clients {
    pool: Service,
    identity: Service,
    /// The key of the logins map.
    issuer: String,
}

/// What a login leaves for the next.
#[derive(Default)]
struct Kept {
    refresh: Option<SecretString>,
    identity: Option<String>,
}

impl Cognito {
    pub(in crate::aws) fn new(settings: &settings::Cognito, instance_id: &str, env: Env, base: Arc<Base>) -> Self {
        Self {
            settings: settings.clone(),
            user: instance_id.to_owned(),
            env,
            base,
            clients: OnceCell::new(),
            kept: Mutex::default(),
        }
    }

    async fn clients(&self) -> Result<&Clients, SignInError> {
        self.clients.get_or_try_init(|| self.make_clients()).await
    }

    async fn make_clients(&self) -> Result<Clients, SignInError> {
        let base = self.base.config().await?;
        let own = base.region().cloned().ok_or(SignInError::NoRegion)?;
        // The pools say themselves where they are. Trying again is the work of `Renewing`.
        let pool_region = region_of(&self.settings.user_pool_id, '_').unwrap_or_else(|| own.clone());
        let identity_region = region_of(&self.settings.identity_pool_id, ':').unwrap_or(own);
        let issuer = issuer(pool_region.as_ref(), &self.settings.user_pool_id);
        let unreachable = |who| move |why| SignInError::Unreachable { who, source: Cause::new(why) };
        Ok(Clients {
            pool: Service::new(&POOLS, base, pool_region.as_ref()).map_err(unreachable(POOL))?,
            identity: Service::new(&IDENTITIES, base, identity_region.as_ref()).map_err(unreachable(IDENTITY))?,
            issuer,
        })
    }

    async fn id_token(&self, clients: &Clients) -> Result<SecretString, SignInError> {
        let refresh = self.kept().refresh.clone();
        if let Some(token) = refresh {
            let parameters = json!({ "REFRESH_TOKEN": token.expose_secret() });
            match self.initiate(clients, "REFRESH_TOKEN_AUTH", parameters, &token).await {
                Ok(answer) => return self.take(answer),
                // The password would get no further.
                Err(e) if e.passes() => return Err(e),
                Err(_) => self.kept().refresh = None,
            }
        }
        let password = self.password()?;
        let parameters = json!({ "USERNAME": self.user, "PASSWORD": password.expose_secret() });
        self.take(self.initiate(clients, "USER_PASSWORD_AUTH", parameters, &password).await?)
    }

    /// `secret` is what signs in: whatever the answer says, it is not repeated.
    /// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_InitiateAuth.html>
    async fn initiate(
        &self,
        clients: &Clients,
        flow: &'static str,
        parameters: Value,
        secret: &SecretString,
    ) -> Result<Members, SignInError> {
        let body = json!({ "AuthFlow": flow, "AuthParameters": parameters, "ClientId": self.settings.app_client_id });
        clients.pool.call("InitiateAuth", &body).await.map_err(|e| {
            let outcome = read(&e, SystemTime::now()).without(secret.expose_secret());
            SignInError::of_outcome(POOL, outcome, |answer| self.advice(answer.code()))
        })
    }

    fn take(&self, mut answer: Members) -> Result<SecretString, SignInError> {
        if let Some(challenge) = answer.text("ChallengeName") {
            return Err(SignInError::Unusable { advice: self.challenge(&challenge) });
        }
        let mut result = answer.object("AuthenticationResult");
        // A refresh keeps the token it was made with, unless the pool rotates them.
        if let Some(refresh) = result.as_mut().and_then(|result| result.text("RefreshToken")) {
            self.kept().refresh = Some(refresh.into());
        }
        let token = result
            .and_then(|mut result| result.text("IdToken"))
            .ok_or_else(|| SignInError::Unusable { advice: format!("{POOL} answered without an id token") })?;
        Ok(token.into())
    }

    fn challenge(&self, challenge: &str) -> String {
        match challenge {
            "NEW_PASSWORD_REQUIRED" => format!(
                "the password of {} is only a temporary one: set a permanent one in the user pool {} (aws cognito-idp \
                 admin-set-user-password --permanent)",
                self.user, self.settings.user_pool_id
            ),
            other => format!(
                "the Cognito user pool asks {} for {other}, which no daemon can give: turn that off for this user",
                self.user
            ),
        }
    }

    fn advice(&self, code: &str) -> String {
        let (user, settings) = (&self.user, &self.settings);
        match code {
            "NotAuthorizedException" | "UserNotFoundException" => format!(
                "Cognito does not know the user {user} with this password: make this user in the user pool {} (aws \
                 cognito-idp admin-create-user), set a permanent password (admin-set-user-password --permanent), and give \
                 the same one in agent.authentication",
                settings.user_pool_id
            ),
            "UserNotConfirmedException" | "PasswordResetRequiredException" => {
                format!("Cognito wants the password of {user} to be set again")
            }
            "ResourceNotFoundException" => format!(
                "there is no user pool {} with the app client {} in this region: correct userPoolId, appClientId and \
                 agent.region",
                settings.user_pool_id, settings.app_client_id
            ),
            "InvalidParameterException" => format!(
                "the app client {} does not allow the USER_PASSWORD_AUTH flow or has a secret",
                settings.app_client_id
            ),
            _ => format!("Cognito refused to sign {user} in"),
        }
    }

    fn password(&self) -> Result<SecretString, SignInError> {
        let text = match &self.settings.password {
            Password::Inline(secret) => return Ok(secret.clone()),
            Password::File(path) => {
                return login_files::password(path)
                    .map_err(|source| SignInError::Unreadable { path: path.clone(), source });
            }
            Password::Environment => match self.env.get(PASSWORD_VARIABLE) {
                Ok(text) if !text.is_empty() => text,
                _ => {
                    return Err(SignInError::Unusable {
                        advice: format!(
                            "there is no password: set agent.authentication.password or passwordFile, or {PASSWORD_VARIABLE}"
                        ),
                    });
                }
            },
        };
        Ok(text.into())
    }

    /// <https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetCredentialsForIdentity.html>
    async fn credentials(&self, clients: &Clients, token: &SecretString) -> Result<Credentials, SignInError> {
        let kept = self.kept().identity.clone();
        let id = match kept {
            Some(id) => id,
            None => self.identity(clients, token).await?,
        };
        let body = json!({ "IdentityId": id, "Logins": { &clients.issuer: token.expose_secret() } });
        let answer = self.show(clients, "GetCredentialsForIdentity", &body, token).await;
        let mut answer = answer.inspect_err(|error| {
            if !error.passes() {
                // Perhaps the identity was deleted: the next login asks for it again.
                self.kept().identity = None;
            }
        })?;
        let unusable = || SignInError::Unusable { advice: format!("{IDENTITY} answered without usable credentials") };
        let mut given = answer.object("Credentials").ok_or_else(unusable)?;
        let (Some(access), Some(secret)) = (given.text("AccessKeyId"), given.text("SecretKey")) else {
            return Err(unusable());
        };
        let expiry = match given.get("Expiration") {
            None | Some(Value::Null) => None,
            Some(time) => Some(moment(time).ok_or_else(unusable)?),
        };
        Ok(Credentials::new(access, secret, given.text("SessionToken"), expiry, "Cognito"))
    }

    /// <https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html>
    async fn identity(&self, clients: &Clients, token: &SecretString) -> Result<String, SignInError> {
        let settings = &self.settings;
        let logins = json!({ &clients.issuer: token.expose_secret() });
        let body =
            json!({ "AccountId": settings.account_id, "IdentityPoolId": settings.identity_pool_id, "Logins": logins });
        let mut answer = self.show(clients, "GetId", &body, token).await?;
        let id = answer
            .text("IdentityId")
            .ok_or_else(|| SignInError::Unusable { advice: format!("{IDENTITY} answered without an identity") })?;
        self.kept().identity = Some(id.clone());
        Ok(id)
    }

    /// A call that shows this id token to the identity pool: whatever the answer says, the token is not repeated.
    async fn show(
        &self,
        clients: &Clients,
        call: &'static str,
        body: &Value,
        token: &SecretString,
    ) -> Result<Members, SignInError> {
        clients.identity.call(call, body).await.map_err(|e| {
            let outcome = read(&e, SystemTime::now()).without(token.expose_secret());
            SignInError::of_outcome(IDENTITY, outcome, |answer| self.identity_advice(answer.code()))
        })
    }

    fn identity_advice(&self, code: &str) -> String {
        let settings = &self.settings;
        match code {
            "ResourceNotFoundException" => format!(
                "there is no identity pool {} in this account and region: correct identityPoolId and agent.region",
                settings.identity_pool_id
            ),
            "NotAuthorizedException" => format!(
                "the identity pool {} does not take logins of the user pool {}: its authentication provider must be this \
                 user pool with the app client {}",
                settings.identity_pool_id, settings.user_pool_id, settings.app_client_id
            ),
            "InvalidIdentityPoolConfigurationException" => format!(
                "the identity pool {} has no role for authenticated identities, or the role does not trust the pool",
                settings.identity_pool_id
            ),
            _ => format!("the identity pool {} refused the login", settings.identity_pool_id),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Cognito {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SignInError>> {
        Box::pin(async move {
            let clients = self.clients().await?;
            let token = self.id_token(clients).await?;
            self.credentials(clients, &token).await
        })
    }

    fn name(&self) -> &'static str {
        IDENTITY
    }
}

/// The region in front of a pool's id: `eu-west-1_AbC`, `eu-west-1:0000-...`.
pub(in crate::aws) fn region_of(id: &str, end: char) -> Option<Region> {
    let (region, _) = id.split_once(end)?;
    let shaped =
        region.contains('-') && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    shaped.then(|| Region::new(region.to_owned()))
}

fn issuer(region: &str, pool: &str) -> String {
    format!("cognito-idp.{region}.{}/{pool}", by_hand::suffix(region))
}

/// Seconds since 1970, of which AWS writes fractions too.
fn moment(seconds: &Value) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds.as_f64()?).ok()?)
}

#[cfg(test)]
mod tests;
