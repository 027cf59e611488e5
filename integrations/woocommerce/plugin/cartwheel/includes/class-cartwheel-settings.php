<?php
/**
 * What the shop chose, and where its Cartwheel is.
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

/**
 * The one option of this plugin, read with its defaults and written clean.
 */
final class Cartwheel_Settings {

	const OPTION       = 'cartwheel_settings';
	const LONGEST_TEXT = 300; // Characters of a text that shoppers see.
	const MOST_DAYS    = 90;  // Days that a cart can be kept.

	/**
	 * Says when a cart may be kept: as soon as an address is typed, after the box was ticked, or of accounts only.
	 */
	const CAPTURES = array( 'typed', 'agreed', 'account' );

	/**
	 * Returns all settings.
	 *
	 * @return array capture, ask_consent, consent_text, show_notice, notice_text, keep_days.
	 */
	public static function all() {
		$kept = get_option( self::OPTION, array() );
		return self::clean( is_array( $kept ) ? $kept : array() );
	}

	/**
	 * Returns one setting.
	 *
	 * @param string $name Its name.
	 * @return mixed
	 */
	public static function get( $name ) {
		$all = self::all();
		return $all[ $name ];
	}

	/**
	 * Fills in defaults and drops everything that is no setting, or no possible value of one.
	 *
	 * @param mixed $given What was stored or sent.
	 * @return array
	 */
	public static function clean( $given ) {
		$given   = is_array( $given ) ? $given : array();
		$capture = isset( $given['capture'] ) ? (string) $given['capture'] : '';
		$days    = isset( $given['keep_days'] ) ? (int) $given['keep_days'] : 30;
		return array(
			'capture'      => in_array( $capture, self::CAPTURES, true ) ? $capture : 'typed',
			'ask_consent'  => ! isset( $given['ask_consent'] ) || (bool) $given['ask_consent'],
			'consent_text' => self::text( $given, 'consent_text' ),
			'show_notice'  => ! isset( $given['show_notice'] ) || (bool) $given['show_notice'],
			'notice_text'  => self::text( $given, 'notice_text' ),
			'keep_days'    => max( 1, min( self::MOST_DAYS, $days ) ),
		);
	}

	/**
	 * Returns the words beside the box: the shop's own, else ours.
	 *
	 * @return string
	 */
	public static function consent_text() {
		$text = self::get( 'consent_text' );
		return '' !== $text ? $text : __( 'E-mail me news and offers', 'cartwheel' );
	}

	/**
	 * Returns the words under the address: the shop's own, else ours.
	 *
	 * @return string
	 */
	public static function notice_text() {
		$text = self::get( 'notice_text' );
		return '' !== $text ? $text : __( 'We keep your cart together with your e-mail address, so that you can come back to it.', 'cartwheel' );
	}

	/**
	 * Returns the address of the shop's Cartwheel without a trailing slash, or nothing where this copy does not know it.
	 *
	 * @return string
	 */
	public static function app_url() {
		$url = defined( 'CARTWHEEL_APP_URL' ) ? CARTWHEEL_APP_URL : require dirname( __DIR__ ) . '/home.php';
		return untrailingslashit( (string) $url );
	}

	/**
	 * Returns the part of an address that browsers compare: scheme, host, and a port that is not the usual one.
	 *
	 * @param string $url An address.
	 * @return string Empty where it is none.
	 */
	public static function origin( $url ) {
		$parts = wp_parse_url( $url );
		if ( ! is_array( $parts ) || empty( $parts['scheme'] ) || empty( $parts['host'] ) ) {
			return '';
		}
		$scheme = strtolower( $parts['scheme'] );
		$usual  = 'https' === $scheme ? 443 : 80;
		$port   = isset( $parts['port'] ) && $usual !== (int) $parts['port'] ? ':' . (int) $parts['port'] : '';
		return $scheme . '://' . strtolower( $parts['host'] ) . $port;
	}

	/**
	 * Returns a text of the settings, on one line and of a bearable length.
	 *
	 * @param array  $given What was stored or sent.
	 * @param string $name  The setting.
	 * @return string
	 */
	private static function text( array $given, $name ) {
		$text = isset( $given[ $name ] ) && is_scalar( $given[ $name ] ) ? sanitize_text_field( (string) $given[ $name ] ) : '';
		return mb_substr( $text, 0, self::LONGEST_TEXT );
	}
}
