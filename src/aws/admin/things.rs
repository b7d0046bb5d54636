//! Things of IoT, and the certificates that they sign in with. <https://docs.aws.amazon.com/iot/latest/apireference/Welcome.html>
use super::{Admin, AdminError, Again, Members};
use crate::aws::by_hand::{
    self,
    query::encode,
    signed::{Kind, Question},
};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::BTreeMap;

static IOT: Kind = Kind { id: "IoT", signing: "iot", rule };

const MISSING: &str = "ResourceNotFoundException";
/// Bears the ARN of a certificate.
const PRINCIPAL: &str = "x-amzn-principal";
const MOST_PAGES: usize = 10_000;

/// A certificate with its key. AWS does not keep the key.
#[derive(Debug)]
pub struct Keys {
    pub arn: String,
    /// In PEM.
    pub certificate: String,
    /// In PEM.
    pub private_key: SecretString,
}

impl Admin {
    /// The host name of the credentials provider of this account.
    ///
    /// # Errors
    /// When it cannot be asked for.
    pub async fn credentials_endpoint(&self) -> Result<String, AdminError> {
        let action = "iot:DescribeEndpoint";
        let path = "/endpoint?endpointType=iot%3ACredentialProvider".to_owned();
        let answer = self.iot(action, "GET", path, None, Value::Null).await?;
        answer.text("endpointAddress").ok_or_else(|| AdminError::odd(action, "the answer names no endpoint"))
    }

    /// The attributes of a thing; `None`: there is none of this name.
    ///
    /// # Errors
    /// When it cannot be asked for.
    pub async fn thing(&self, name: &str) -> Result<Option<BTreeMap<String, String>>, AdminError> {
        let asked = self.iot("iot:DescribeThing", "GET", at("/things/", name, ""), None, Value::Null).await;
        let answer = match asked {
            Err(error) if error.is(MISSING) => return Ok(None),
            other => other?,
        };
        let attributes = answer.0.get("attributes").and_then(Value::as_object);
        let pair = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        Ok(Some(attributes.into_iter().flatten().filter_map(pair).collect()))
    }

    /// Make a thing with one attribute. Where it is there with this attribute, nothing happens.
    ///
    /// # Errors
    /// When it is refused; `ResourceAlreadyExistsException` where there is another of this name.
    pub async fn create_thing(&self, name: &str, attribute: (&str, &str)) -> Result<(), AdminError> {
        let attributes = json!({ attribute.0: attribute.1 });
        let body = json!({ "attributePayload": { "attributes": attributes } });
        self.iot("iot:CreateThing", "POST", at("/things/", name, ""), None, body).await.map(drop)
    }

    /// Remove a thing that has no certificate any more. Where it is gone, nothing happens.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn delete_thing(&self, name: &str) -> Result<(), AdminError> {
        gone(self.iot("iot:DeleteThing", "DELETE", at("/things/", name, ""), None, Value::Null).await)
    }

    /// The names of the things that have this attribute.
    ///
    /// # Errors
    /// When they cannot be asked for.
    pub async fn things_with(&self, attribute: (&str, &str)) -> Result<Vec<String>, AdminError> {
        let action = "iot:ListThings";
        let asked = at(&at("/things?attributeName=", attribute.0, "&attributeValue="), attribute.1, "");
        let (mut things, mut token) = (vec![], None::<String>);
        for _ in 0..MOST_PAGES {
            let page = token.take().map_or_else(String::new, |token| at("&nextToken=", &token, ""));
            let answer = self.iot(action, "GET", format!("{asked}{page}"), None, Value::Null).await?;
            let name = |thing: &Value| thing.get("thingName").and_then(Value::as_str).map(str::to_owned);
            things.extend(answer.list("things").iter().filter_map(name));
            token = answer.text("nextToken").filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(things);
            }
        }
        Err(AdminError::odd(action, &format!("the answer does not end after {MOST_PAGES} pages")))
    }

    /// The ARNs of the certificates of a thing.
    ///
    /// # Errors
    /// When they cannot be asked for.
    pub async fn thing_principals(&self, name: &str) -> Result<Vec<String>, AdminError> {
        let path = at("/things/", name, "/principals");
        let answer = self.iot("iot:ListThingPrincipals", "GET", path, None, Value::Null).await?;
        Ok(answer.texts("principals").collect())
    }

    /// The names of the things of a certificate.
    ///
    /// # Errors
    /// When they cannot be asked for.
    pub async fn principal_things(&self, arn: &str) -> Result<Vec<String>, AdminError> {
        let path = "/principals/things".to_owned();
        let answer = self.iot("iot:ListPrincipalThings", "GET", path, Some(arn), Value::Null).await?;
        Ok(answer.texts("things").collect())
    }

    /// Make a certificate that holds at once, and its key.
    ///
    /// # Errors
    /// When it is refused, or nobody knows whether it was made.
    pub async fn create_keys(&self) -> Result<Keys, AdminError> {
        let action = "iot:CreateKeysAndCertificate";
        let path = "/keys-and-certificate?setAsActive=true".to_owned();
        // One more each time.
        let answer = self.ask_json(&IOT, Again::No, question(action, "POST", path, None, &Value::Null)).await?;
        let pair = answer.0.get("keyPair").and_then(|pair| pair.get("PrivateKey")).and_then(Value::as_str);
        let keys = || {
            let (arn, certificate) = (answer.text("certificateArn")?, answer.text("certificatePem")?);
            Some(Keys { arn, certificate, private_key: pair?.into() })
        };
        keys().ok_or_else(|| AdminError::odd(action, "the answer lacks the certificate, its key or its ARN"))
    }

    /// # Errors
    /// When it is refused.
    pub async fn attach_policy(&self, policy: &str, arn: &str) -> Result<(), AdminError> {
        let path = at("/target-policies/", policy, "");
        self.iot("iot:AttachPolicy", "PUT", path, None, json!({ "target": arn })).await.map(drop)
    }

    /// # Errors
    /// When it is refused.
    pub async fn detach_policy(&self, policy: &str, arn: &str) -> Result<(), AdminError> {
        let path = at("/target-policies/", policy, "");
        gone(self.iot("iot:DetachPolicy", "POST", path, None, json!({ "target": arn })).await)
    }

    /// # Errors
    /// When it is refused.
    pub async fn attach_principal(&self, thing: &str, arn: &str) -> Result<(), AdminError> {
        let path = at("/things/", thing, "/principals");
        self.iot("iot:AttachThingPrincipal", "PUT", path, Some(arn), Value::Null).await.map(drop)
    }

    /// # Errors
    /// When it is refused.
    pub async fn detach_principal(&self, thing: &str, arn: &str) -> Result<(), AdminError> {
        let path = at("/things/", thing, "/principals");
        gone(self.iot("iot:DetachThingPrincipal", "DELETE", path, Some(arn), Value::Null).await)
    }

    /// The ARNs of the certificates that have this policy.
    ///
    /// # Errors
    /// When they cannot be asked for.
    pub async fn policy_targets(&self, policy: &str) -> Result<Vec<String>, AdminError> {
        let action = "iot:ListTargetsForPolicy";
        let (mut targets, mut marker) = (vec![], None::<String>);
        for _ in 0..MOST_PAGES {
            let page = marker.take().map_or_else(String::new, |marker| at("?marker=", &marker, ""));
            let path = format!("{}{page}", at("/policy-targets/", policy, ""));
            let answer = match self.iot(action, "POST", path, None, Value::Null).await {
                Err(error) if error.is(MISSING) => return Ok(targets),
                other => other?,
            };
            targets.extend(answer.texts("targets"));
            marker = answer.text("nextMarker").filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return Ok(targets);
            }
        }
        Err(AdminError::odd(action, &format!("the answer does not end after {MOST_PAGES} pages")))
    }

    /// Let a certificate hold no more, and remove it. Nothing may be attached to it.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn delete_certificate(&self, arn: &str) -> Result<(), AdminError> {
        let id = arn.rsplit('/').next().unwrap_or(arn);
        let off = at("/certificates/", id, "?newStatus=INACTIVE");
        gone(self.iot("iot:UpdateCertificate", "PUT", off, None, Value::Null).await)?;
        gone(self.iot("iot:DeleteCertificate", "DELETE", at("/certificates/", id, ""), None, Value::Null).await)
    }

    async fn iot(
        &self,
        action: &'static str,
        method: &'static str,
        path: String,
        principal: Option<&str>,
        body: Value,
    ) -> Result<Members, AdminError> {
        self.ask_json(&IOT, Again::Yes, question(action, method, path, principal, &body)).await
    }
}

fn question(
    action: &'static str,
    method: &'static str,
    path: String,
    principal: Option<&str>,
    body: &Value,
) -> Question {
    let mut headers = vec![("content-type", "application/json".to_owned())];
    headers.extend(principal.map(|arn| (PRINCIPAL, arn.to_owned())));
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Question { action, method, path, headers, body: body.into() }
}

/// A path with this name in it.
fn at(before: &str, name: &str, behind: &str) -> String {
    let mut path = before.to_owned();
    encode(name, &mut path);
    path + behind
}

/// What is not there needs no removal.
fn gone(asked: Result<Members, AdminError>) -> Result<(), AdminError> {
    match asked {
        Err(error) if error.is(MISSING) => Ok(()),
        other => other.map(drop),
    }
}

/// <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>
fn rule(region: &str, fips: bool, dualstack: bool) -> String {
    let (plain, dual) = by_hand::suffixes(region);
    let variant = if fips { "-fips" } else { "" };
    format!("https://iot{variant}.{region}.{}", if dualstack { dual } else { plain })
}
