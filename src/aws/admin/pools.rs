//! Users of a Cognito user pool. <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/Welcome.html>
use super::{Admin, AdminError, Again, Members};
use crate::aws::{
    auth::cognito::service::{POOLS, rule},
    by_hand::signed::{Kind, Question},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

static USER_POOLS: Kind = Kind {
    id: "Cognito Identity Provider",
    signing: "cognito-idp",
    rule: |region, fips, dual| rule(&POOLS, region, fips, dual),
};

/// Users of a page, the most there are. <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html>
const PAGE: u32 = 60;
/// A pool has at most 40 million users; whoever has more than these machines has several pools.
const MOST_PAGES: usize = 10_000;

/// A user of a pool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    pub name: String,
    /// `CONFIRMED` once it has a permanent password; `FORCE_CHANGE_PASSWORD` before.
    pub status: String,
}

impl Admin {
    /// All users of this pool.
    ///
    /// # Errors
    /// When they cannot be asked for.
    pub async fn users(&self, pool: &str) -> Result<Vec<User>, AdminError> {
        let action = "cognito-idp:ListUsers";
        let (mut users, mut token) = (vec![], None::<String>);
        for _ in 0..MOST_PAGES {
            let mut body = json!({ "UserPoolId": pool, "Limit": PAGE });
            if let Some(token) = token.take() {
                body["PaginationToken"] = token.into();
            }
            let answer = self.pool(action, &body).await?;
            let text = |user: &Value, name: &str| user.get(name).and_then(Value::as_str).map(str::to_owned);
            let user = |user| Some(User { name: text(user, "Username")?, status: text(user, "UserStatus")? });
            users.extend(answer.list("Users").iter().filter_map(user));
            token = answer.text("PaginationToken");
            if token.is_none() {
                return Ok(users);
            }
        }
        Err(AdminError::odd(action, &format!("the answer does not end after {MOST_PAGES} pages")))
    }

    /// Make a user who cannot sign in yet; no, where there is one of this name. Nobody is sent a message.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create_user(&self, pool: &str, name: &str) -> Result<bool, AdminError> {
        let body = json!({ "UserPoolId": pool, "Username": name, "MessageAction": "SUPPRESS" });
        match self.pool("cognito-idp:AdminCreateUser", &body).await {
            Err(error) if error.is("UsernameExistsException") => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// Give a user a password that needs no change at the first login.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn set_password(&self, pool: &str, name: &str, password: &SecretString) -> Result<(), AdminError> {
        let password = password.expose_secret();
        let body = json!({ "UserPoolId": pool, "Username": name, "Password": password, "Permanent": true });
        let set = self.pool("cognito-idp:AdminSetUserPassword", &body).await;
        set.map(drop).map_err(|error| error.without(password))
    }

    async fn pool(&self, action: &'static str, body: &Value) -> Result<Members, AdminError> {
        let mut question = Question {
            action,
            method: "POST",
            path: "/".to_owned(),
            headers: vec![("content-type", "application/x-amz-json-1.1".to_owned())],
            body: body.to_string().into(),
        };
        let target = format!("AWSCognitoIdentityProviderService.{}", question.name());
        question.headers.push(("x-amz-target", target));
        self.ask_json(&USER_POOLS, Again::Yes, question).await
    }
}
