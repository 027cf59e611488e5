<?php
/**
 * The pass with which a page of wp-admin opens Cartwheel for the person who looks at it.
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

/**
 * Makes short-lived signed tokens: BASE64URL(claims as JSON) "." BASE64URL(HMAC-SHA256).
 *
 * The key is derived from the secret that WooCommerce signs our webhooks with, so that a signature of the one kind is
 * never one of the other. The other side is integrations/woocommerce/admin_tokens.py of Cartwheel; both are tested with
 * the same vectors.
 */
final class Cartwheel_Token {

	const LIFE    = 60; // Seconds. The page renews it; a stolen one is soon of no use.
	const PURPOSE = 'cartwheel wp-admin 1';

	/**
	 * Makes a token.
	 *
	 * @param string $secret        The secret of one of the connection's webhooks.
	 * @param string $topic         That webhook's topic: each has a secret of its own.
	 * @param string $connection_id The connection, as the address of its webhooks names it.
	 * @param int    $user_id       Who looks at the page.
	 * @param string $origin        The origin of wp-admin, which alone may frame Cartwheel and renew the token.
	 * @param int    $now           Seconds since 1970.
	 * @param string $nonce         32 hexadecimal digits that no other token has.
	 * @return string
	 */
	public static function mint( $secret, $topic, $connection_id, $user_id, $origin, $now, $nonce ) {
		$claims = array(
			'v'      => 1,
			'cid'    => (string) $connection_id,
			'topic'  => (string) $topic,
			'uid'    => (string) $user_id,
			'origin' => (string) $origin,
			'iat'    => (int) $now,
			'exp'    => (int) $now + self::LIFE,
			'nonce'  => (string) $nonce,
		);
		return self::sign( (string) wp_json_encode( $claims ), $secret );
	}

	/**
	 * Signs a text.
	 *
	 * @param string $text   The claims.
	 * @param string $secret The webhook's secret.
	 * @return string
	 */
	public static function sign( $text, $secret ) {
		$payload = self::encode( $text );
		$key     = hash_hmac( 'sha256', self::PURPOSE, $secret, true );
		return $payload . '.' . self::encode( hash_hmac( 'sha256', $payload, $key, true ) );
	}

	/**
	 * Writes bytes in the alphabet of addresses (RFC 4648, 5), without padding.
	 *
	 * @param string $bytes The bytes.
	 * @return string
	 */
	private static function encode( $bytes ) {
		// phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions.obfuscation_base64_encode -- a format, not a disguise.
		return rtrim( strtr( base64_encode( $bytes ), '+/', '-_' ), '=' );
	}
}
