<?php
// The business side: tokens, callbacks and pushes. See ../README.md. Start: php -S 127.0.0.1:8090 business.php
declare(strict_types=1);

function env(string $name, string $fallback): string
{
    return getenv($name) ?: $fallback;
}

// Checks x-lightpush-signature over the request as it arrived.
function signed(string $body): bool
{
    if (!preg_match('/^t=(\d+),v1=([0-9a-f]{64})$/D', $_SERVER['HTTP_X_LIGHTPUSH_SIGNATURE'] ?? '', $m) || abs(time() - (int) $m[1]) > 300) {
        return false;
    }
    $text = "$m[1].{$_SERVER['REQUEST_METHOD']}.{$_SERVER['REQUEST_URI']}.$body";
    return hash_equals(hash_hmac('sha256', $text, env('CALLBACK_SECRET', 'callback-secret')), $m[2]);
}

function encode(string $data): string
{
    return rtrim(strtr(base64_encode($data), '+/', '-_'), '=');
}

function decode(string $text): string
{
    return base64_decode(strtr($text, '-_', '+/'), true) ?: '';
}

function tokenMac(string $text): string
{
    return hash_hmac('sha256', $text, env('TOKEN_SECRET', 'token-secret'), true);
}

// A JWT with HS256. Issue one only to a user who has logged in.
function issue(string $userid): string
{
    $text = encode('{"alg":"HS256","typ":"JWT"}') . '.' . encode(json_encode(['sub' => $userid, 'iat' => time(), 'exp' => time() + 300]));
    return $text . '.' . encode(tokenMac($text));
}

// The user a token was issued to, or null. The algorithm is ours, whatever the token's header says.
function userOf(string $token): ?string
{
    $parts = explode('.', $token);
    if (count($parts) !== 3 || !hash_equals(tokenMac("$parts[0].$parts[1]"), decode($parts[2]))) {
        return null;
    }
    $claims = json_decode(decode($parts[1]), true);
    return $claims['exp'] > time() ? $claims['sub'] : null;
}

function push(array $message): array
{
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => ['Content-Type: application/json',
            'Authorization: Basic ' . base64_encode(env('PUSH_NAMESPACE', '/demo') . ':' . env('PUSH_PASSWORD', ''))],
        'content' => json_encode($message),
        'timeout' => 5,
        'ignore_errors' => true, // a refusal has a body too
    ]]);
    $answer = file_get_contents(env('PUSH_API', 'http://127.0.0.1:21314') . '/api/auth/push', false, $context);
    if ($answer === false) {
        return [502, ['msg' => 'lightpush does not answer']];
    }
    return [(int) explode(' ', $http_response_header[0])[1], json_decode($answer, true)];
}

function handle(string $body): array
{
    $path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
    switch ("{$_SERVER['REQUEST_METHOD']} $path") {
        case 'GET /token':
            return [200, ['token' => issue($_GET['userid'])]];
        case 'GET /in':
            if (!signed($body)) {
                return [401, ['msg' => 'bad signature']];
            }
            $user = userOf($_GET['token'] ?? '');
            return $user !== null && $user === $_GET['userid'] ? [200, ['userid' => $user, 'rooms' => ['news']]] : [403, ['msg' => 'not you']];
        case 'POST /out':
            if (!signed($body)) {
                return [401, ['msg' => 'bad signature']];
            }
            $gone = json_decode($body, true)['query'];
            // The delivery is the same for repeats: a key.
            error_log("gone {$gone['userid']} {$gone['uuid']} {$_SERVER['HTTP_X_LIGHTPUSH_DELIVERY']}");
            return [200, (object) []];
        case 'POST /send':
            $send = json_decode($body, true);
            return push(['room' => $send['room'], 'pushData' => ['text' => $send['text']], 'leaveMessage' => true]);
    }
    return [404, ['msg' => 'not found']];
}

[$status, $answer] = handle(file_get_contents('php://input'));
http_response_code($status);
header('Content-Type: application/json');
header('Access-Control-Allow-Origin: *');
echo json_encode($answer);
