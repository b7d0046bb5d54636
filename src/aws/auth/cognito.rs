//! Cognito: a user pool's password login, then credentials of the identity pool.
//!
//! The instance id is the user name. A login leaves a refresh token, which serves the next ones; where it is refused, the
//! password serves again. The identity's own id never changes and is asked once.
use super::{SignInError, Source};
use crate::{
    aws::{base::Base, errors::read},
    config::{
        login_files,
        settings::{self, PASSWORD_VARIABLE, Password},
    },
};
use aws_credential_types::Credentials;
use aws_sdk_cognitoidentity as identity;
use aws_sdk_cognitoidentityprovider::{
    self as pool, operation::initiate_auth::InitiateAuthOutput, types::AuthFlowType, types::ChallengeNameType,
};
use aws_smithy_types::retry::RetryConfig;
use aws_types::{os_shim_internal::Env, region::Region};
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};
use tokio::sync::OnceCell;

const POOL: &str = "the Cognito user pool";
const IDENTITY: &str = "the Cognito identity pool";
/// Suffixes of the endpoints of each partition, by the start of the region's name; all others end in `amazonaws.com`.
/// <https://docs.aws.amazon.com/general/latest/gr/rande.html> and the SDK's own partition table.
const SUFFIXES: [(&str, &str); 6] = [
    ("cn-", "amazonaws.com.cn"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
];

pub(in crate::aws) struct Cognito {
    settings: settings::Cognito,
    user: String,
    env: Env,
    base: Arc<Base>,
    clients: OnceCell<Clients>,
    kept: Mutex<Kept>,
}

struct Clients {
    pool: pool::Client,
    identity: identity::Client,
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
        let for_pool =
            pool::config::Builder::from(base).region(pool_region).retry_config(RetryConfig::disabled()).build();
        let for_identity =
            identity::config::Builder::from(base).region(identity_region).retry_config(RetryConfig::disabled()).build();
        Ok(Clients {
            pool: pool::Client::from_conf(for_pool),
            identity: identity::Client::from_conf(for_identity),
            issuer,
        })
    }

    async fn id_token(&self, clients: &Clients) -> Result<SecretString, SignInError> {
        let refresh = self.kept().refresh.clone();
        if let Some(token) = refresh {
            let call = self.initiate(clients, AuthFlowType::RefreshTokenAuth);
            match self.send(call.auth_parameters("REFRESH_TOKEN", token.expose_secret()), &token).await {
                Ok(answer) => return self.take(answer),
                // The password would get no further.
                Err(e) if e.passes() => return Err(e),
                Err(_) => self.kept().refresh = None,
            }
        }
        let password = self.password()?;
        let call = self
            .initiate(clients, AuthFlowType::UserPasswordAuth)
            .auth_parameters("USERNAME", &self.user)
            .auth_parameters("PASSWORD", password.expose_secret());
        self.take(self.send(call, &password).await?)
    }

    fn initiate(
        &self,
        clients: &Clients,
        flow: AuthFlowType,
    ) -> pool::operation::initiate_auth::builders::InitiateAuthFluentBuilder {
        clients.pool.initiate_auth().client_id(&self.settings.app_client_id).auth_flow(flow)
    }

    /// `secret` is what signs in: whatever the answer says, it is not repeated.
    async fn send(
        &self,
        call: pool::operation::initiate_auth::builders::InitiateAuthFluentBuilder,
        secret: &SecretString,
    ) -> Result<InitiateAuthOutput, SignInError> {
        call.send().await.map_err(|e| {
            let outcome = read(&e, SystemTime::now()).without(secret.expose_secret());
            SignInError::of_outcome(POOL, outcome, |answer| self.advice(answer.code()))
        })
    }

    fn take(&self, answer: InitiateAuthOutput) -> Result<SecretString, SignInError> {
        if let Some(challenge) = &answer.challenge_name {
            return Err(SignInError::Unusable { advice: self.challenge(challenge) });
        }
        let token = answer
            .authentication_result
            .and_then(|result| {
                // A refresh keeps the token it was made with, unless the pool rotates them.
                if let Some(refresh) = result.refresh_token {
                    self.kept().refresh = Some(refresh.into());
                }
                result.id_token
            })
            .ok_or_else(|| SignInError::Unusable { advice: format!("{POOL} answered without an id token") })?;
        Ok(token.into())
    }

    fn challenge(&self, challenge: &ChallengeNameType) -> String {
        match challenge {
            ChallengeNameType::NewPasswordRequired => format!(
                "the password of {} is only a temporary one: set a permanent one in the user pool {} (aws cognito-idp \
                 admin-set-user-password --permanent)",
                self.user, self.settings.user_pool_id
            ),
            other => format!(
                "the Cognito user pool asks {} for {}, which no daemon can give: turn that off for this user",
                self.user,
                other.as_str()
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

    async fn credentials(
        &self,
        clients: &Clients,
        logins: &HashMap<String, String>,
    ) -> Result<Credentials, SignInError> {
        let kept = self.kept().identity.clone();
        let id = match kept {
            Some(id) => id,
            None => self.identity(clients, logins).await?,
        };
        let call = clients.identity.get_credentials_for_identity().identity_id(id).set_logins(Some(logins.clone()));
        let answer = call.send().await.map_err(|e| {
            let error = SignInError::of_call(IDENTITY, &e, |answer| self.identity_advice(answer.code()));
            if !error.passes() {
                // Perhaps the identity was deleted: the next login asks for it again.
                self.kept().identity = None;
            }
            error
        })?;
        let unusable = || SignInError::Unusable { advice: format!("{IDENTITY} answered without usable credentials") };
        let given = answer.credentials.ok_or_else(unusable)?;
        let (Some(access), Some(secret)) = (given.access_key_id, given.secret_key) else { return Err(unusable()) };
        let expiry = given.expiration.map(SystemTime::try_from).transpose().map_err(|_| unusable())?;
        Ok(Credentials::new(access, secret, given.session_token, expiry, "Cognito"))
    }

    async fn identity(&self, clients: &Clients, logins: &HashMap<String, String>) -> Result<String, SignInError> {
        let call = clients
            .identity
            .get_id()
            .account_id(&self.settings.account_id)
            .identity_pool_id(&self.settings.identity_pool_id)
            .set_logins(Some(logins.clone()));
        let answer = call
            .send()
            .await
            .map_err(|e| SignInError::of_call(IDENTITY, &e, |answer| self.identity_advice(answer.code())))?;
        let id = answer
            .identity_id
            .ok_or_else(|| SignInError::Unusable { advice: format!("{IDENTITY} answered without an identity") })?;
        self.kept().identity = Some(id.clone());
        Ok(id)
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
            let logins = HashMap::from([(clients.issuer.clone(), token.expose_secret().to_owned())]);
            self.credentials(clients, &logins).await
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
    let suffix =
        SUFFIXES.iter().find(|(start, _)| region.starts_with(start)).map_or("amazonaws.com", |(_, suffix)| suffix);
    format!("cognito-idp.{region}.{suffix}/{pool}")
}

#[cfg(test)]
mod tests;
