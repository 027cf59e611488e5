<?php
/**
 * The box that asks for consent, and the line that says that the cart is kept, in both checkouts.
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

/**
 * Draws the box and keeps the answer with the order, under the same key in both checkouts. It is never ticked by us.
 */
final class Cartwheel_Consent {

	const BLOCK_FIELD   = 'cartwheel/marketing-consent';
	const CLASSIC_FIELD = 'cartwheel_marketing_consent';
	const ORDER_META    = '_wc_other/cartwheel/marketing-consent'; // Where the block checkout keeps its answer.

	/**
	 * Hooks in.
	 */
	public static function init() {
		add_action( 'woocommerce_init', array( __CLASS__, 'add_block_field' ) );
		add_filter( 'woocommerce_checkout_fields', array( __CLASS__, 'add_classic_field' ) );
		add_action( 'woocommerce_checkout_create_order', array( __CLASS__, 'keep_with_order' ), 10, 2 );
		add_filter( 'render_block_woocommerce/checkout', array( __CLASS__, 'add_block_notice' ) );
	}

	/**
	 * Adds the box to the block checkout (WooCommerce 8.9 and later).
	 */
	public static function add_block_field() {
		if ( ! Cartwheel_Settings::get( 'ask_consent' ) || ! function_exists( 'woocommerce_register_additional_checkout_field' ) ) {
			return;
		}
		woocommerce_register_additional_checkout_field(
			array(
				'id'       => self::BLOCK_FIELD,
				'label'    => Cartwheel_Settings::consent_text(),
				'location' => 'contact',
				'type'     => 'checkbox',
			)
		);
	}

	/**
	 * Adds the box, and the line under the address, to the classic checkout.
	 *
	 * @param array $fields WooCommerce's.
	 * @return array
	 */
	public static function add_classic_field( $fields ) {
		if ( ! isset( $fields['billing']['billing_email'] ) ) {
			return $fields;
		}
		$email    = $fields['billing']['billing_email'];
		$priority = isset( $email['priority'] ) ? (int) $email['priority'] : 110;
		if ( Cartwheel_Settings::get( 'show_notice' ) ) {
			$fields['billing']['billing_email']['description'] = esc_html( Cartwheel_Settings::notice_text() );
		}
		if ( Cartwheel_Settings::get( 'ask_consent' ) ) {
			$fields['billing'][ self::CLASSIC_FIELD ] = array(
				'type'     => 'checkbox',
				'label'    => esc_html( Cartwheel_Settings::consent_text() ),
				'required' => false,
				'default'  => 0,
				'class'    => array( 'form-row-wide' ),
				'priority' => $priority + 1,
			);
		}
		return $fields;
	}

	/**
	 * Keeps the classic checkout's answer where the block checkout keeps its own.
	 *
	 * @param WC_Order $order  The order, not yet saved.
	 * @param array    $posted What was filled in.
	 */
	public static function keep_with_order( $order, $posted ) {
		if ( ! empty( $posted[ self::CLASSIC_FIELD ] ) ) {
			$order->update_meta_data( self::ORDER_META, '1' );
		}
	}

	/**
	 * Puts the line above the block checkout, whose own fields are drawn by a script and take no stranger's text.
	 *
	 * @param string $html The block.
	 * @return string
	 */
	public static function add_block_notice( $html ) {
		if ( ! Cartwheel_Settings::get( 'show_notice' ) ) {
			return $html;
		}
		return '<p class="cartwheel-notice">' . esc_html( Cartwheel_Settings::notice_text() ) . '</p>' . $html;
	}
}
