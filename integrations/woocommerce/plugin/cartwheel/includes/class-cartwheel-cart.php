<?php
/**
 * The shopper's cart: written down, compared, and filled again.
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

/**
 * Turns WooCommerce's cart into plain data and back. Money is text with two decimals, and as the shopper sees it: with
 * tax where the shop shows prices with tax.
 */
final class Cartwheel_Cart {

	const MOST_LINES  = 100; // Of one cart; what is beyond is left out.
	const MOST_PIECES = 9999;
	const LONGEST     = 250; // Characters of a name.

	/**
	 * Returns an empty cart.
	 *
	 * @return array
	 */
	public static function none() {
		return array(
			'currency' => get_woocommerce_currency(),
			'subtotal' => '0.00',
			'total'    => '0.00',
			'coupons'  => array(),
			'items'    => array(),
		);
	}

	/**
	 * Says whether this request has a cart at all; cron, the REST API and wp-admin have none.
	 *
	 * @return bool
	 */
	public static function is_here() {
		return function_exists( 'WC' ) && WC()->cart && WC()->session && WC()->customer;
	}

	/**
	 * Writes down what is in the cart now.
	 *
	 * @return array
	 */
	public static function describe() {
		$cart     = WC()->cart;
		$with_tax = $cart->display_prices_including_tax();
		$subtotal = (float) $cart->get_subtotal() + ( $with_tax ? (float) $cart->get_subtotal_tax() : 0 );
		$items    = array();
		foreach ( array_slice( $cart->get_cart(), 0, self::MOST_LINES ) as $line ) {
			/**
			 * Lets a shop change or leave out (null) a line, such as a part of a bundle that cannot be bought alone.
			 *
			 * @param array|null $item What Cartwheel is told.
			 * @param array      $line WooCommerce's line.
			 */
			$item = apply_filters( 'cartwheel_cart_item', self::item( $line, $with_tax ), $line );
			if ( is_array( $item ) ) {
				$items[] = $item;
			}
		}
		return array(
			'currency' => get_woocommerce_currency(),
			'subtotal' => wc_format_decimal( $subtotal, 2 ),
			'total'    => wc_format_decimal( $cart->get_total( 'edit' ), 2 ),
			'coupons'  => array_values( array_map( 'strval', $cart->get_applied_coupons() ) ),
			'items'    => $items,
		);
	}

	/**
	 * Says whether two carts hold the same pieces, in whatever order.
	 *
	 * @param array $one   A cart.
	 * @param array $other A cart.
	 * @return bool
	 */
	public static function is_same( array $one, array $other ) {
		return self::pieces( $one ) === self::pieces( $other );
	}

	/**
	 * Puts a written cart in place of the one that is there. What cannot be bought any more is left out, with
	 * WooCommerce's own words about it where it has some.
	 *
	 * @param array $kept A cart.
	 * @return string[] Names of what was left out.
	 */
	public static function restore( array $kept ) {
		$missing = array();
		WC()->cart->empty_cart();
		foreach ( $kept['items'] as $item ) {
			$variation_id = (int) $item['variation_id'];
			$product      = wc_get_product( $variation_id ? $variation_id : (int) $item['product_id'] );
			$is_added     = $product && $product->is_purchasable() && $product->is_in_stock() && self::add( $item );
			if ( ! $is_added ) {
				$missing[] = (string) $item['name'];
			}
		}
		WC()->cart->calculate_totals();
		return $missing;
	}

	/**
	 * Adds one line; other plugins may throw while they look at it.
	 *
	 * @param array $item A line of a written cart.
	 * @return bool
	 */
	private static function add( array $item ) {
		try {
			return false !== WC()->cart->add_to_cart(
				(int) $item['product_id'],
				$item['quantity'],
				(int) $item['variation_id'],
				(array) $item['variation']
			);
		} catch ( Exception $error ) {
			return false;
		}
	}

	/**
	 * Writes down one line.
	 *
	 * @param array $line     WooCommerce's line.
	 * @param bool  $with_tax Whether the shop shows prices with tax.
	 * @return array|null Null where a plugin took the product away.
	 */
	private static function item( array $line, $with_tax ) {
		$product = isset( $line['data'] ) ? $line['data'] : null;
		if ( ! $product instanceof WC_Product ) {
			return null;
		}
		$price = $with_tax ? wc_get_price_including_tax( $product ) : wc_get_price_excluding_tax( $product );
		$image = $product->get_image_id() ? wp_get_attachment_image_url( $product->get_image_id(), 'woocommerce_thumbnail' ) : '';
		return array(
			'product_id'   => (int) $line['product_id'],
			'variation_id' => (int) $line['variation_id'],
			'variation'    => array_map( 'strval', (array) $line['variation'] ),
			'quantity'     => min( self::MOST_PIECES, (int) $line['quantity'] ),
			'name'         => mb_substr( wp_strip_all_tags( (string) $product->get_name() ), 0, self::LONGEST ),
			'sku'          => mb_substr( (string) $product->get_sku(), 0, self::LONGEST ),
			'price'        => wc_format_decimal( $price, 2 ),
			'image'        => $image ? (string) $image : null,
			'permalink'    => (string) $product->get_permalink( $line ),
		);
	}

	/**
	 * Counts the pieces of each thing.
	 *
	 * @param array $cart A cart.
	 * @return int[] By product, variation and choice.
	 */
	private static function pieces( array $cart ) {
		$pieces = array();
		foreach ( $cart['items'] as $item ) {
			$choice = (array) $item['variation'];
			ksort( $choice );
			$key            = $item['product_id'] . ':' . $item['variation_id'] . ':' . wp_json_encode( $choice );
			$pieces[ $key ] = ( isset( $pieces[ $key ] ) ? $pieces[ $key ] : 0 ) + (int) $item['quantity'];
		}
		ksort( $pieces );
		return $pieces;
	}
}
