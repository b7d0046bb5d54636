#Requires -Version 5.1
<#
.SYNOPSIS
Installs the Amazon CloudWatch Publisher as a service of Windows; upgrades and uninstalls it.

.DESCRIPTION
Run it as administrator from a checkout, or from an unpacked archive:

    powershell -ExecutionPolicy Bypass -File install-windows.ps1

It copies the program to %ProgramFiles%\Amazon\CloudWatchPublisher, makes a configuration where there is none, and lets the
program make itself a service with an account of its own. It may be repeated: that is an upgrade, and keeps configuration and state.

What it does not find among its parameters or in the environment (CWPUBLISHER_REGION, CWPUBLISHER_ACCOUNT_ID,
CWPUBLISHER_USER_POOL_ID, CWPUBLISHER_IDENTITY_POOL_ID, CWPUBLISHER_APP_CLIENT_ID, CWPUBLISHER_PASSWORD) it asks for. The password is
never a parameter: others could read it in the list of processes.

.PARAMETER Program
The program [default: that of the archive, or the one that was built in the checkout]

.PARAMETER Template
What the configuration is made from [default: configs\amazon-cloudwatch-publisher-windows.json]

.PARAMETER PasswordFile
A file that holds the password.

.PARAMETER Root
Another folder to install into, for a look: the program goes to bin, the configuration to etc. No service is made.

.PARAMETER Wait
Seconds to wait for the first data.

.PARAMETER NoQuestions
Fail where a value is missing.

.PARAMETER Uninstall
Remove the service and the program.

.PARAMETER State
With -Uninstall: whether configuration, state and log are kept or removed [default: ask, and keep where nobody can be asked]
#>
[CmdletBinding(DefaultParameterSetName = 'Install')]
param(
    [Parameter(ParameterSetName = 'Install')] [string] $Program,
    [Parameter(ParameterSetName = 'Install')] [string] $Template,
    [Parameter(ParameterSetName = 'Install')] [string] $Region = $env:CWPUBLISHER_REGION,
    [Parameter(ParameterSetName = 'Install')] [string] $AccountId = $env:CWPUBLISHER_ACCOUNT_ID,
    [Parameter(ParameterSetName = 'Install')] [string] $UserPoolId = $env:CWPUBLISHER_USER_POOL_ID,
    [Parameter(ParameterSetName = 'Install')] [string] $IdentityPoolId = $env:CWPUBLISHER_IDENTITY_POOL_ID,
    [Parameter(ParameterSetName = 'Install')] [string] $AppClientId = $env:CWPUBLISHER_APP_CLIENT_ID,
    [Parameter(ParameterSetName = 'Install')] [string] $PasswordFile,
    [Parameter(ParameterSetName = 'Install')] [int] $Wait = 60,
    [string] $Root,
    [switch] $NoQuestions,
    [Parameter(ParameterSetName = 'Uninstall', Mandatory = $true)] [switch] $Uninstall,
    [Parameter(ParameterSetName = 'Uninstall')] [ValidateSet('Ask', 'Keep', 'Remove')] [string] $State = 'Ask'
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$name = 'amazon-cloudwatch-publisher'
# The exit code that says: this configuration cannot run.
$badConfiguration = 78

# Ends with one line, not with a trace of this script.
function Stop-Here([string] $Why, [int] $Code = 1) {
    [Console]::Error.WriteLine("error: $Why")
    exit $Code
}

function Test-Administrator {
    $me = New-Object Security.Principal.WindowsPrincipal([Security.Principal.WindowsIdentity]::GetCurrent())
    return $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
}

# Runs the program; ends here when it fails. Its own words have been said by then.
function Invoke-Publisher([string] $Path, [string[]] $Arguments, [string] $What) {
    & $Path @Arguments
    if ($LASTEXITCODE -ne 0) { Stop-Here "$What failed; what is wrong stands above" $LASTEXITCODE }
}

function Find-Program {
    if ($Program) {
        if (-not (Test-Path -LiteralPath $Program -PathType Leaf)) { Stop-Here "there is no program $Program" }
        return (Resolve-Path -LiteralPath $Program).ProviderPath
    }
    # Beside this script, in an archive, and where cargo leaves it.
    $near = @("$name.exe", "..\$name.exe", "..\bin\$name.exe", "..\target\dist\$name.exe", "..\target\release\$name.exe")
    foreach ($candidate in $near) {
        $path = Join-Path $PSScriptRoot $candidate
        if (Test-Path -LiteralPath $path -PathType Leaf) { return (Resolve-Path -LiteralPath $path).ProviderPath }
    }
    Stop-Here 'the program was not found; build it with cargo build --release, or say where it is with -Program'
}

function Read-Value([string] $Value, [string] $Question) {
    while (-not $Value) {
        if ($NoQuestions) { Stop-Here "nobody is to be asked, and it was not said: $Question" }
        $Value = (Read-Host $Question).Trim()
    }
    return $Value
}

# In the clear for as long as the program needs to read it: only there, and in its environment.
function Read-Password {
    if ($NoQuestions) { Stop-Here 'nobody is to be asked for the password; put it into CWPUBLISHER_PASSWORD, or name a -PasswordFile' }
    $typed = Read-Host 'Password (not shown)' -AsSecureString
    $memory = [Runtime.InteropServices.Marshal]::SecureStringToBSTR($typed)
    try { return [Runtime.InteropServices.Marshal]::PtrToStringBSTR($memory) }
    finally { [Runtime.InteropServices.Marshal]::ZeroFreeBSTR($memory) }
}

# A folder for administrators alone, before anything secret lies in it. Below ProgramData anybody may have made one of this name before us,
# so it is taken over with all that is in it. The service is let in when it is made.
function Protect-Folder([string] $Path) {
    New-Item -ItemType Directory -Path $Path -Force | Out-Null
    $steps = @(
        @('/setowner', '*S-1-5-32-544', '/T'),
        @('/reset', '/T'),
        @('/inheritance:r', '/grant:r', '*S-1-5-18:(OI)(CI)F', '*S-1-5-32-544:(OI)(CI)F')
    )
    foreach ($step in $steps) {
        & icacls.exe $Path @step /Q | Out-Null
        if ($LASTEXITCODE -ne 0) { Stop-Here "$Path could not be closed to others: icacls failed at $step" }
    }
}

function New-Configuration([string] $With) {
    $from = $Template
    if (-not $from) { $from = Join-Path $PSScriptRoot "..\configs\$name-windows.json" }
    if (-not (Test-Path -LiteralPath $from -PathType Leaf)) { Stop-Here "there is no template $from; name one with -Template" }
    $arguments = @(
        'config', 'create', $config, '--template', $from,
        '--region', (Read-Value $Region 'Region, like us-east-1'),
        '--account-id', (Read-Value $AccountId 'Account id, twelve digits'),
        '--user-pool-id', (Read-Value $UserPoolId 'User pool id'),
        '--identity-pool-id', (Read-Value $IdentityPoolId 'Identity pool id'),
        '--app-client-id', (Read-Value $AppClientId 'App client id')
    )
    $typed = $false
    if ($PasswordFile) { $arguments += @('--password-file', $PasswordFile) }
    elseif (-not $env:CWPUBLISHER_PASSWORD) {
        $env:CWPUBLISHER_PASSWORD = Read-Password
        $typed = $true
    }
    try { Invoke-Publisher $With $arguments 'making the configuration' }
    finally { if ($typed) { Remove-Item Env:\CWPUBLISHER_PASSWORD -ErrorAction SilentlyContinue } }
}

# A program that runs cannot be replaced. One that does not come up again is worse than an old one: so the new one is tried before.
function Copy-Program([string] $From) {
    $service = Get-Service -Name $name -ErrorAction SilentlyContinue
    if (-not $Root -and $service -and $service.Status -ne 'Stopped') {
        Write-Output 'Stopping the service.'
        Stop-Service -Name $name
        $service.WaitForStatus('Stopped', [TimeSpan]::FromSeconds(60))
    }
    New-Item -ItemType Directory -Path (Split-Path -Parent $target) -Force | Out-Null
    if ($From -ne $target) {
        Copy-Item -LiteralPath $From -Destination "$target.new" -Force
        Move-Item -LiteralPath "$target.new" -Destination $target -Force
    }
    Write-Output "Installed the program $target"
}

function Install-Publisher {
    $from = Find-Program
    Invoke-Publisher $from @('--version') 'the program'
    if (-not (Test-Path -LiteralPath $config)) { Protect-Folder $data }
    New-Item -ItemType Directory -Path (Split-Path -Parent $config) -Force | Out-Null
    if (Test-Path -LiteralPath $config) {
        Write-Output "Keeping the configuration $config"
        & $from validate $config
        if ($LASTEXITCODE -eq $badConfiguration) { Stop-Here "the new program cannot run with $config; nothing was changed" $badConfiguration }
    }
    else { New-Configuration $from }
    Copy-Program $from
    if ($Root) {
        Write-Output "Done. No service was made below $Root; to see that it runs: & '$target' run '$config' --dry-run --once"
        return
    }
    Invoke-Publisher $target @('service', 'install') 'making the service'
    Write-Output "Waiting for the first data to arrive, at most $Wait seconds."
    & $target status --wait $Wait
    if ($LASTEXITCODE -eq 0) { Write-Output 'Done: it works.' }
    else { Write-Output 'It is installed and runs; what it waits for, or what is wrong, stands above.' }
    Write-Output @"

    how it is doing      & '$target' status
    its log              $data\logs\$name.log
    the configuration    $config
    after a change       sc.exe control $name paramchange
    remove it            powershell -ExecutionPolicy Bypass -File '$PSCommandPath' -Uninstall
"@
}

# Whether what it keeps goes too: what was not sent yet, how far each log was read, and the password.
function Test-StateGoes {
    if ($State -eq 'Remove') { return $true }
    if ($State -eq 'Keep' -or $NoQuestions) { return $false }
    return (Read-Host "Remove $data too, with the configuration, what was not sent yet and the log? [y/N]") -match '^[yY]'
}

function Uninstall-Publisher {
    if (-not $Root -and (Test-Path -LiteralPath $target)) {
        Invoke-Publisher $target @('service', 'uninstall') 'removing the service'
    }
    if (Test-Path -LiteralPath $target) {
        Remove-Item -LiteralPath $target -Force
        $folder = Split-Path -Parent $target
        # What others have put there stays.
        if (-not (Get-ChildItem -LiteralPath $folder -Force)) { Remove-Item -LiteralPath $folder }
        Write-Output "Removed the program $target"
    }
    if (-not (Test-Path -LiteralPath $data)) { return }
    if (Test-StateGoes) {
        foreach ($part in 'etc', 'logs', 'var') {
            $path = Join-Path $data $part
            if (Test-Path -LiteralPath $path) { Remove-Item -LiteralPath $path -Recurse -Force }
        }
        if (-not (Get-ChildItem -LiteralPath $data -Force)) { Remove-Item -LiteralPath $data }
        Write-Output "Removed what was kept in $data"
    }
    else { Write-Output "Kept $data" }
}

if ($Root) {
    # The program that is started below would take a relative path for one in its own folder.
    $Root = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Root)
    $data = $Root
    $target = Join-Path $Root "bin\$name.exe"
}
else {
    if (-not (Test-Administrator)) { Stop-Here 'only an administrator may do this: open PowerShell by Run as administrator, and try again' }
    $data = Join-Path $env:ProgramData 'Amazon\CloudWatchPublisher'
    $target = Join-Path $env:ProgramFiles "Amazon\CloudWatchPublisher\$name.exe"
}
$config = Join-Path $data "etc\$name.json"
if ($Uninstall) { Uninstall-Publisher } else { Install-Publisher }
exit 0
