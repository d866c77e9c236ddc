#!/usr/bin/env bash
# Runs SimpleSAMLphp, as Debian 12 packages it, as an identity provider on loopback; touches nothing in /etc.
#
#   simplesamlphp.sh WORK PORT
#
# WORK has cert/idp.key and cert/idp.crt; everything else is made there. Each WORK/sp/*.xml is a service
# provider, WORK/sign says what is signed (response, assertion or both), and WORK/encrypt whether the assertion is
# encrypted (yes or no); all are read at every request.
# Stays in the foreground until it is killed. Users: mia/mia-password, noah/noah-password, zoe/zoe-password.
set -euo pipefail
work=$1 port=$2
base=http://127.0.0.1:$port/simplesaml
program=/usr/share/simplesamlphp/www
[ -f $program/_include.php ] || { echo 'install simplesamlphp php-cli php-xml php-mbstring php-sqlite3' >&2; exit 1; }

mkdir -p "$work"/{config,metadata,log,data,tmp,sessions,docroot,sp}
ln -sfn $program "$work/docroot/simplesaml"
[ -e "$work/sign" ] || echo both >"$work/sign"
[ -e "$work/encrypt" ] || echo no >"$work/encrypt"

cat >"$work/config/config.php" <<PHP
<?php
\$config = [
  'baseurlpath' => '$base/',
  'certdir' => '$work/cert/', 'loggingdir' => '$work/log/', 'datadir' => '$work/data/',
  'tempdir' => '$work/tmp', 'metadatadir' => '$work/metadata',
  'metadata.sources' => [['type' => 'flatfile']],
  'store.type' => 'sql', 'store.sql.dsn' => 'sqlite:$work/data/store.sqlite',
  'session.phpsession.savepath' => '$work/sessions',
  'session.cookie.secure' => false, 'session.cookie.samesite' => null,
  'secretsalt' => '$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')',
  'auth.adminpassword' => '$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')',
  'technicalcontact_name' => 'Test', 'technicalcontact_email' => 'test@example.com',
  'timezone' => 'UTC', 'language.default' => 'en', 'language.available' => ['en'],
  'logging.handler' => 'file', 'logging.logfile' => 'simplesamlphp.log', 'showerrors' => true,
  'enable.saml20-idp' => true, 'enable.http_post' => false,
  'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
];
PHP

cat >"$work/config/authsources.php" <<'PHP'
<?php
$config = ['people' => ['exampleauth:UserPass',
  'mia:mia-password' => ['uid' => ['mia'], 'mail' => ['mia.berg@contoso.com'], 'displayName' => ['Mia Berg']],
  'noah:noah-password' => ['uid' => ['noah'], 'mail' => ['noah.lind@contoso.com'], 'displayName' => ['Noah Lind']],
  'zoe:zoe-password' => ['uid' => ['zoe'], 'mail' => ['zoe@contoso.com'],
    'displayName' => ["Zoë \"Q\" O'Brien & <Söns> 日本"]],
]];
PHP

cat >"$work/metadata/saml20-idp-hosted.php" <<PHP
<?php
\$sign = trim(file_get_contents('$work/sign'));
\$metadata['$base/saml2/idp/metadata.php'] = [
  'host' => '__DEFAULT__', 'privatekey' => 'idp.key', 'certificate' => 'idp.crt', 'auth' => 'people',
  'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  'authproc' => [3 => ['class' => 'saml:PersistentNameID', 'attribute' => 'uid']],
  'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  'saml20.sign.response' => in_array(\$sign, ['response', 'both']),
  'saml20.sign.assertion' => in_array(\$sign, ['assertion', 'both']),
  'assertion.encryption' => trim(file_get_contents('$work/encrypt')) === 'yes',
  'sign.logout' => true, 'redirect.sign' => true,
];
PHP

cat >"$work/metadata/saml20-sp-remote.php" <<PHP
<?php
foreach (glob('$work/sp/*.xml') as \$file) {
  foreach (SimpleSAML\Metadata\SAMLParser::parseDescriptorsFile(\$file) as \$entity => \$parsed) {
    \$sp = \$parsed->getMetadata20SP();
    // What is signed is for WORK/sign to say, not for the service provider's metadata.
    unset(\$sp['entityDescriptor'], \$sp['expire'], \$sp['metadata-set'], \$sp['NameIDFormat'],
      \$sp['saml20.sign.assertion'], \$sp['saml20.sign.response']);
    \$metadata[\$entity] = \$sp;
  }
}
PHP

export SIMPLESAMLPHP_CONFIG_DIR=$work/config
exec php -d display_errors=0 -d log_errors=0 -S "127.0.0.1:$port" -t "$work/docroot" >"$work/log/php.log" 2>&1
