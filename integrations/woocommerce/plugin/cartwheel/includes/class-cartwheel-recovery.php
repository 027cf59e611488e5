<?php
/**
 * The link out of a mail that leads back to the cart.
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

/**
 * Restores cart and address behind ?cartwheel_cart=TOKEN[&coupon=CODE], on any version of WooCommerce.
 *
 * The stored row is not changed by it. Whoever holds the link sees the cart and the e-mail address, never a name or a
 * street. A cart with other things in it is not thrown away: its owner is asked.
 */
final class Cartwheel_Recovery {

	const PARAMETER    = 'cartwheel_cart';
	const REPLACE      = 'cartwheel_replace';
	const NONCE        = 'woocommerce-cartwheel-replace';
	const LONGEST_CODE = 64; // Characters of a coupon's code.

	/**
	 * Hooks in, after WooCommerce has loaded the cart (10) and read its own forms (20).
	 */
	public static function init() {
		add_action( 'wp_loaded', array( __CLASS__, 'answer' ), 25 );
	}

	/**
	 * Returns the link of a cart.
	 *
	 * @param string $token The row's token.
	 * @return string
	 */
	public static function url( $token ) {
		return add_query_arg( self::PARAMETER, rawurlencode( $token ), home_url( '/' ) );
	}

	/**
	 * Answers the link, where this request is one.
	 */
	public static function answer() {
		// phpcs:disable WordPress.Security.NonceVerification.Recommended -- a link out of a mail has no nonce.
		$method = isset( $_SERVER['REQUEST_METHOD'] ) ? sanitize_key( $_SERVER['REQUEST_METHOD'] ) : '';
		if ( 'get' !== $method || ! isset( $_GET[ self::PARAMETER ] ) || is_admin() || ! Cartwheel_Cart::is_here() ) {
			return;
		}
		$token   = is_string( $_GET[ self::PARAMETER ] ) ? sanitize_key( $_GET[ self::PARAMETER ] ) : '';
		$code    = isset( $_GET['coupon'] ) && is_string( $_GET['coupon'] ) ? sanitize_text_field( wp_unslash( $_GET['coupon'] ) ) : '';
		$is_sure = isset( $_GET[ self::REPLACE ] ) && check_ajax_referer( self::NONCE, self::REPLACE, false );
		// phpcs:enable
		nocache_headers();
		header( 'X-Robots-Tag: noindex, nofollow' );
		header( 'Referrer-Policy: no-referrer' );
		wp_safe_redirect( self::recover( $token, mb_substr( $code, 0, self::LONGEST_CODE ), (bool) $is_sure ) );
		exit;
	}

	/**
	 * Brings the cart back, and says where the shopper goes next.
	 *
	 * @param string $token   Of the link.
	 * @param string $code    A coupon's code, or nothing.
	 * @param bool   $is_sure Whether a cart with other things may be replaced.
	 * @return string The next address.
	 */
	public static function recover( $token, $code, $is_sure ) {
		$row = Cartwheel_Checkouts::find( $token );
		if ( ! $row || ! $row['cart']['items'] ) {
			wc_add_notice( __( 'This link leads to no cart that we still have.', 'cartwheel' ), 'notice' );
			return wc_get_page_permalink( 'shop' );
		}
		if ( 'completed' === $row['status'] ) {
			wc_add_notice( __( 'You bought this cart already. Thank you.', 'cartwheel' ), 'notice' );
			return wc_get_page_permalink( 'shop' );
		}
		$is_here = ! WC()->cart->is_empty() && Cartwheel_Cart::is_same( Cartwheel_Cart::describe(), $row['cart'] );
		if ( ! $is_here && ! $is_sure && ! WC()->cart->is_empty() ) {
			self::ask( $token, $code );
			return wc_get_cart_url();
		}
		WC()->session->set_customer_session_cookie( true );
		$missing = $is_here ? array() : Cartwheel_Cart::restore( $row['cart'] );
		Cartwheel_Capture::attach( $row['token'] );
		self::greet( $row, $missing );
		if ( '' !== $code && ! WC()->cart->has_discount( $code ) ) {
			WC()->cart->apply_coupon( wc_format_coupon_code( $code ) );
		}
		return WC()->cart->is_empty() ? wc_get_page_permalink( 'shop' ) : wc_get_checkout_url();
	}

	/**
	 * Fills in the address, before the coupon: one that is for an address asks who it is for. An account keeps its own.
	 *
	 * @param array    $row     The row.
	 * @param string[] $missing Names of what could not be brought back.
	 */
	private static function greet( array $row, array $missing ) {
		if ( ! is_user_logged_in() && '' === (string) WC()->customer->get_billing_email() ) {
			WC()->customer->set_billing_email( $row['email'] );
			WC()->customer->save();
		}
		if ( $missing ) {
			/* translators: %s: names of products. */
			$words = __( 'Not available any more, and left out of your cart: %s', 'cartwheel' );
			wc_add_notice( esc_html( sprintf( $words, implode( ', ', $missing ) ) ), 'notice' );
		}
		if ( ! WC()->cart->is_empty() ) {
			wc_add_notice( __( 'Welcome back. Your cart is as you left it.', 'cartwheel' ), 'success' );
		}
	}

	/**
	 * Asks whether the cart that is there may go.
	 *
	 * @param string $token Of the link.
	 * @param string $code  A coupon's code, or nothing.
	 */
	private static function ask( $token, $code ) {
		$sure = add_query_arg(
			array_filter(
				array(
					self::REPLACE => wp_create_nonce( self::NONCE ),
					'coupon'      => rawurlencode( $code ),
				)
			),
			self::url( $token )
		);
		wc_add_notice(
			sprintf(
				'%s <a href="%s" rel="nofollow">%s</a>',
				esc_html__( 'There are other things in your cart now.', 'cartwheel' ),
				esc_url( $sure ),
				esc_html__( 'Replace them with the cart that you left', 'cartwheel' )
			),
			'notice'
		);
	}
}
