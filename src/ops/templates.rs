//! The CloudFormation templates of `infrastructure/`, which are part of the program: who installs the binary has them.
//!
//! To add one, write it there and name it here; its resources are read out of its text, for `--plan`.

/// A template, and the stack that is made of it where nobody names another.
#[derive(Debug)]
pub struct Template {
    pub stack: &'static str,
    /// What it is for, in a few words.
    pub purpose: &'static str,
    pub body: &'static str,
}

/// The login by user name and password.
pub static COGNITO: Template = Template {
    stack: "amazon-cloudwatch-publisher",
    purpose: "the login by password",
    body: include_str!("../../infrastructure/cognito.yaml"),
};

/// The login by certificate.
pub static IOT: Template = Template {
    stack: "amazon-cloudwatch-publisher-iot",
    purpose: "the login by certificate",
    body: include_str!("../../infrastructure/iot.yaml"),
};

impl Template {
    /// Each of its resources: what the template calls it, and its type. Of the block form that our templates have.
    pub fn resources(&self) -> Vec<(&'static str, &'static str)> {
        let mut found = vec![];
        let mut inside = false;
        let mut name = None;
        for line in self.body.lines() {
            let text = line.trim_start();
            let indent = line.len() - text.len();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            match indent {
                0 => inside = text == "Resources:",
                2 if inside => name = text.strip_suffix(':'),
                4 if inside => {
                    if let (Some(name), Some(kind)) = (name, text.strip_prefix("Type: ")) {
                        found.push((name, kind));
                    }
                }
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_template_makes_is_read_out_of_it() {
        let cognito = COGNITO.resources();
        assert!(cognito.contains(&("UserPool", "AWS::Cognito::UserPool")), "{cognito:?}");
        assert!(cognito.contains(&("Role", "AWS::IAM::Role")), "{cognito:?}");
        assert!(IOT.resources().contains(&("RoleAlias", "AWS::IoT::RoleAlias")));
        for template in [&COGNITO, &IOT] {
            let types = template.body.lines().filter(|line| line.starts_with("    Type: AWS::")).count();
            assert_eq!(template.resources().len(), types, "{}", template.stack);
        }
    }

    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
    #[test]
    fn each_template_fits_into_a_request() {
        for template in [&COGNITO, &IOT] {
            assert!(template.body.len() <= 51_200, "{}", template.stack);
        }
    }
}
