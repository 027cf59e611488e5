<?php
/**
 * The carts that we keep: one row for each that was begun, in a table of our own.
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

// A table of our own: WordPress has no other way to it than $wpdb, and a cart that was read must be the one of this moment.
// phpcs:disable WordPress.DB.DirectDatabaseQuery, WordPress.DB.PreparedSQL.InterpolatedNotPrepared

/**
 * Reads and writes the table. A row is an array; `cart` in it is the cart as Cartwheel_Cart::describe() returns it.
 */
final class Cartwheel_Checkouts {

	/**
	 * Returns the table's name on this site.
	 *
	 * @return string
	 */
	public static function table() {
		global $wpdb;
		return $wpdb->prefix . 'cartwheel_checkouts';
	}

	/**
	 * Returns a token that nobody guesses: 128 bits.
	 *
	 * @return string 32 hexadecimal digits.
	 */
	public static function new_token() {
		return bin2hex( random_bytes( 16 ) );
	}

	/**
	 * Says whether a text can be one of our tokens.
	 *
	 * @param mixed $token The text.
	 * @return bool
	 */
	public static function is_token( $token ) {
		return is_string( $token ) && 1 === preg_match( '/\A[0-9a-f]{32}\z/', $token );
	}

	/**
	 * Returns the row of a token.
	 *
	 * @param mixed $token The token.
	 * @return array|null
	 */
	public static function find( $token ) {
		global $wpdb;
		if ( ! self::is_token( $token ) ) {
			return null;
		}
		$table = self::table();
		$row   = $wpdb->get_row( $wpdb->prepare( "SELECT * FROM {$table} WHERE token = %s", $token ), ARRAY_A );
		return $row ? self::read( $row ) : null;
	}

	/**
	 * Writes a row in place of the one with the same token.
	 *
	 * @param array $row The row.
	 * @return bool Whether the database took it.
	 */
	public static function save( array $row ) {
		global $wpdb;
		$row['cart']    = wp_json_encode( $row['cart'] );
		$row['consent'] = $row['consent'] ? 1 : 0;
		return false !== $wpdb->replace( self::table(), $row );
	}

	/**
	 * Deletes the row of a token.
	 *
	 * @param string $token The token.
	 */
	public static function delete( $token ) {
		global $wpdb;
		$wpdb->delete( self::table(), array( 'token' => $token ), array( '%s' ) );
	}

	/**
	 * Returns the rows of an address, oldest first. The usual collations of MySQL find jose@ also as josé@, who is
	 * somebody else; so the bytes are compared as well.
	 *
	 * @param string $email  The address, in any case.
	 * @param int    $limit  So many at most.
	 * @param int    $offset So many are left out first.
	 * @return array[]
	 */
	public static function of_email( $email, $limit, $offset = 0 ) {
		global $wpdb;
		$table = self::table();
		$email = self::normalise_email( $email );
		$query = "SELECT * FROM {$table} WHERE email = %s AND CAST(email AS BINARY) = CAST(%s AS BINARY)
			ORDER BY created_at, token LIMIT %d OFFSET %d";
		$rows  = $wpdb->get_results( $wpdb->prepare( $query, $email, $email, $limit, $offset ), ARRAY_A );
		return array_map( array( __CLASS__, 'read' ), $rows ? $rows : array() );
	}

	/**
	 * Deletes what was not changed since a moment.
	 *
	 * @param string $before Y-m-d H:i:s in UTC.
	 * @param int    $limit  So many at most.
	 * @return int How many went.
	 */
	public static function prune( $before, $limit ) {
		global $wpdb;
		$table = self::table();
		return (int) $wpdb->query( $wpdb->prepare( "DELETE FROM {$table} WHERE updated_at < %s LIMIT %d", $before, $limit ) );
	}

	/**
	 * Says how many carts are kept, and when the last one changed.
	 *
	 * @return array count, last (Y-m-d H:i:s in UTC, or null).
	 */
	public static function summary() {
		global $wpdb;
		$table = self::table();
		$row   = $wpdb->get_row( "SELECT COUNT(*) AS kept, MAX(updated_at) AS last FROM {$table}", ARRAY_A );
		return array(
			'count' => $row ? (int) $row['kept'] : 0,
			'last'  => $row ? $row['last'] : null,
		);
	}

	/**
	 * Returns an address as Cartwheel compares it: trimmed, composed (where PHP can), in lower case.
	 *
	 * @param string $email The address.
	 * @return string
	 */
	public static function normalise_email( $email ) {
		$email = trim( (string) $email );
		if ( class_exists( 'Normalizer' ) ) {
			$composed = Normalizer::normalize( $email, Normalizer::FORM_C );
			$email    = false === $composed ? $email : $composed;
		}
		return function_exists( 'mb_strtolower' ) ? mb_strtolower( $email, 'UTF-8' ) : strtolower( $email );
	}

	/**
	 * Gives a row of the database the types that we work with.
	 *
	 * @param array $row As the database returns it: all text.
	 * @return array
	 */
	private static function read( array $row ) {
		$cart           = json_decode( (string) $row['cart'], true );
		$row['cart']    = is_array( $cart ) ? $cart : Cartwheel_Cart::none();
		$row['consent'] = (bool) $row['consent'];
		foreach ( array( 'user_id', 'order_id' ) as $number ) {
			$row[ $number ] = (int) $row[ $number ];
		}
		return $row;
	}
}
